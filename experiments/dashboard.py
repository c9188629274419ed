"""Lay the runs of a W&B project out: tables, scores, curves and grids, grouped by experiment.

python experiments/dashboard.py --entity ENTITY [--project diffmvr]

Needs `pip install wandb-workspaces`, a login, and runs that were uploaded (`wandb sync`, or
logger.wandb.online=true).  Without a server the layout can be built and looked at (`--dry`); that
has been tried (wandb-workspaces 0.4.13).  Saving it, and how W&B then shows it, has not.
"""

import argparse
import json
from typing import Any

CURVES = {
    "Training": ("train/loss", "train/loss_denoising", "train/loss_motion", "train/motion_share"),
    "Validation": ("val/psnr_hole", "val/ssim_hole", "val/loss_denoising", "val/loss_motion"),
    "Speed": ("train/frames_per_second", "train/gradient_norm", "lr-Adam"),
}
EXPERIMENTS = ("baseline", "dual", "motion", "dual_motion", "symmetric_motion", "present_motion")
TABLES = ("test/scores", "table1", "table2", "table3", "table4")
GRIDS = ("val/grid", "val/clip")


def build(entity: str, project: str) -> Any:
    """Return the workspace, not saved."""
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    tables = ws.Section(
        name="Tables",
        is_open=True,
        panels=[panels.WeavePanelSummaryTable(table_name=name) for name in TABLES],
    )
    scores = ws.Section(
        name="Scores on the test people",
        is_open=True,
        panels=[
            panels.BarPlot(title=f"PSNR hole, {name}", metrics=[f"test/psnr_hole/{name}"])
            for name in EXPERIMENTS
        ],
    )
    curves = [
        ws.Section(
            name=title,
            panels=[
                panels.LinePlot(
                    title=metric,
                    x="Step",
                    y=[metric],
                    groupby=panels.Config("name"),
                    groupby_aggfunc="mean",
                    groupby_rangefunc="minmax",
                )
                for metric in metrics
            ],
        )
        for title, metrics in CURVES.items()
    ]
    grids = ws.Section(
        name="Restored clips",
        panels=[panels.MediaBrowser(title=key, media_keys=[key]) for key in GRIDS],
    )
    return ws.Workspace(
        entity=entity,
        project=project,
        name="The paper's tables",
        sections=[tables, scores, *curves, grids],
        runset_settings=ws.RunsetSettings(
            groupby=[expr.Config("name")], order=[expr.Ordering(expr.Metric("Name"))]
        ),
    )


def main() -> None:
    """Save the workspace, or print its layout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entity", required=True)
    parser.add_argument("--project", default="diffmvr")
    parser.add_argument("--dry", action="store_true", help="print the layout, save nothing")
    arguments = parser.parse_args()
    workspace = build(arguments.entity, arguments.project)
    if arguments.dry:
        for section in workspace.sections:
            print(section.name, json.dumps([repr(panel) for panel in section.panels], indent=2))
    else:
        workspace.save()


if __name__ == "__main__":
    main()
