import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.preprocessing.bank import Reference
from diffmvr.preprocessing.composition import choose, compose_references, ridge, weigh
from diffmvr.preprocessing.layers import carry
from diffmvr.preprocessing.picture import Picture

SIDE = 64
FACE = np.array([[20.0, 0, 31.5], [0, 20, 28]])
STILL = np.eye(2, 3)
CLEAR = np.zeros((SIDE, SIDE), np.uint8)
HOLE = CLEAR.copy()
HOLE[22:44, 34:52] = 1
INSIDE = HOLE == 1


def reference(index: int, image: np.ndarray, mask: np.ndarray = CLEAR) -> Reference:
    return Reference(index, Picture(image, mask), FACE, STILL)


def face(mouth: float) -> np.ndarray:
    """A face whose lower half mixes two expressions, all of it or none."""
    closed, opened = smooth_texture(SIDE, SIDE, 1), smooth_texture(SIDE, SIDE, 2)
    share = np.zeros((SIDE, SIDE, 1))
    share[16:] = mouth
    return np.rint((1 - share) * closed + share * opened).astype(np.uint8)


def test_equal_frames_give_that_frame() -> None:
    image = face(0.3)
    result = compose_references([reference(k, image) for k in range(4)], reference(9, image, HOLE))
    np.testing.assert_array_equal(result.image, image)
    assert result.known.all()
    assert result.evidence.deviation.max() < 1e-3
    assert sum(result.weights.values()) == pytest.approx(1)
    assert list(result.weights.values()) == pytest.approx([0.25] * 4, abs=1e-3)


def test_one_reference_is_carried_bit_for_bit_as_a_past_frame_is() -> None:
    past, current = reference(0, face(0.0)), reference(5, face(0.1), HOLE)
    expected = carry(past.picture, current.picture, past.motions_to(current))
    result = compose_references([past], current)
    np.testing.assert_array_equal(result.image, expected[0])
    np.testing.assert_array_equal(result.known, expected[1])
    assert result.weights == {0: 1.0}


def test_the_visible_half_tells_the_mixture() -> None:
    """Half open was never seen: a mixture of open and closed is nearer than either."""
    truth = face(0.5)
    references = [reference(0, face(0.0)), reference(1, face(1.0)), reference(2, face(0.0))]
    current = reference(9, np.where(INSIDE[..., None], np.uint8(0), truth), HOLE)

    def error(image: np.ndarray) -> float:
        return float(((image.astype(float) - truth)[INSIDE] ** 2).mean())

    mixed = compose_references(references, current)
    single = [error(compose_references([one], current).image) for one in references]
    assert error(mixed.image) < 0.35 * min(single)
    assert mixed.evidence.deviation[INSIDE].mean() > 3


def test_one_that_disagrees_everywhere_has_hardly_any_say() -> None:
    truth = face(0.5)
    good = [reference(k, face(0.45 + 0.02 * k)) for k in range(4)]
    bad = reference(7, 255 - smooth_texture(SIDE, SIDE, 9))
    current = reference(9, truth, HOLE)
    weights = compose_references([*good, bad], current).weights
    assert abs(weights[7]) < 0.02


def test_hidden_pixels_do_not_matter_bit_for_bit() -> None:
    references = [reference(k, face(0.1 * k)) for k in range(8)]
    spoilt_hole = CLEAR.copy()
    spoilt_hole[30:40, 5:15] = 1
    image = face(0.9)
    references.append(reference(8, image, spoilt_hole))
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    truth = face(0.5)
    results = []
    for current, last in ((truth, image), (noise, noise)):
        hidden = np.where(INSIDE[..., None], current, truth)
        other = np.where((spoilt_hole == 1)[..., None], last, image)
        chosen = [*references[:-1], reference(8, other, spoilt_hole)]
        results.append(compose_references(chosen, reference(9, hidden, HOLE)))
    np.testing.assert_array_equal(results[0].image, results[1].image)
    np.testing.assert_array_equal(results[0].evidence.deviation, results[1].evidence.deviation)
    assert results[0].weights == results[1].weights


def test_the_order_of_references_does_not_matter() -> None:
    references = [reference(k, face(0.15 * k)) for k in range(7)]
    current = reference(9, face(0.4), HOLE)
    one = compose_references(references, current, most=4)
    order = [3, 0, 6, 1, 5, 2, 4]
    other = compose_references([references[k] for k in order], current, most=4)
    assert np.abs(one.image.astype(int) - other.image).max() <= 1
    assert one.weights == {k: pytest.approx(w, abs=1e-6) for k, w in other.weights.items()}


def test_weights_sum_to_one_at_every_place() -> None:
    shown = np.stack([face(0.2 * k) for k in range(5)]).astype(np.float32)
    known = np.ones(shown.shape[:3], bool)
    known[1, :30] = False
    for weights in weigh(shown, known, face(0.55), HOLE):
        assert weights.shape == (5, SIDE, SIDE)
        np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)


def test_the_one_that_fits_best_is_chosen() -> None:
    references = [reference(k, face(mouth)) for k, mouth in enumerate((0.0, 0.3, 0.6, 0.9))]
    current = reference(9, face(0.62), HOLE)
    assert choose(references, current, most=1) == [2]
    assert list(compose_references(references, current, most=1).weights) == [2]
    assert choose(references, current, most=9) == [0, 1, 2, 3]


def test_of_several_the_nearest_in_time_is_carried_too() -> None:
    """However little it says of the face; later frames count as earlier ones do."""
    references = [reference(k, face(0.4 + 0.01 * k)) for k in range(6)]
    for index in (8, 10):
        odd = reference(index, 255 - smooth_texture(SIDE, SIDE, 9))
        assert (
            index
            in compose_references(
                [odd, *references], reference(9, face(0.42), HOLE), most=3
            ).weights
        )


def test_ridge_is_the_constrained_least_squares_solution() -> None:
    """Against Lagrange's system of wᵀGw + λ‖w − 1/K‖² with Σw = 1."""
    rng = np.random.default_rng(3)
    for count in (2, 5):
        factor = rng.normal(size=(count, 20))
        gram = factor @ factor.T / 20
        shrinkage = 0.3
        strength = shrinkage * np.trace(gram) / count + 1e-3
        system = np.zeros((count + 1, count + 1))
        system[:count, :count] = 2 * (gram + strength * np.eye(count))
        system[:count, count] = system[count, :count] = 1
        right = np.append(np.full(count, 2 * strength / count), 1)
        expected = np.linalg.solve(system, right)[:count]
        np.testing.assert_allclose(ridge(gram, shrinkage), expected, rtol=1e-9)


def test_a_window_is_a_part_of_the_whole() -> None:
    references = [reference(k, face(0.2 * k)) for k in range(3)]
    current = reference(9, face(0.5), HOLE)
    whole = compose_references(references, current)
    part = compose_references(references, current, (slice(20, 46), slice(30, 55)))
    np.testing.assert_array_equal(part.image, whole.image[20:46, 30:55])


def test_another_light_leaves_no_seam() -> None:
    truth = face(0.5)
    darker = (0.7 * truth.astype(float)).astype(np.uint8)
    references = [reference(k, face(0.2 + 0.2 * k)) for k in range(4)]
    result = compose_references(references, reference(9, darker, HOLE))
    error = np.abs(result.image.astype(int) - darker)[INSIDE].mean()
    assert error < 0.25 * np.abs(truth.astype(int) - darker)[INSIDE].mean()


def test_a_brow_that_has_risen_is_not_broken_by_a_crease_at_the_holes_edge() -> None:
    """What is another shade where the hole ends, and nowhere else, leaves no step there."""
    past = face(0.0).astype(float) * 0.6 + 40
    rows, columns = np.mgrid[:SIDE, :SIDE]
    brow = 30 * np.exp(-0.5 * ((columns - 34) ** 2 + (rows - 30) ** 2) / 5**2)
    truth = past + brow[..., None]
    references = [reference(k, np.rint(past + 2 * k).astype(np.uint8)) for k in range(3)]
    hidden = np.where(INSIDE[..., None], 0, np.rint(truth)).astype(np.uint8)
    result = compose_references(references, reference(9, hidden, HOLE)).image
    edge = np.s_[26:34, 34]
    step = np.abs(result[edge].astype(float) - truth[edge]).mean()
    assert brow[edge].mean() > 25
    assert step < 10


def test_without_references_nothing_is_made_up() -> None:
    with pytest.raises(ValueError, match="references: expected at least one, got none"):
        compose_references([], reference(9, face(0.5), HOLE))


def test_where_nothing_is_known_it_is_grey() -> None:
    hidden_everywhere = reference(1, face(0.2), np.ones((SIDE, SIDE), np.uint8))
    result = compose_references([hidden_everywhere], reference(9, face(0.5), HOLE))
    assert not result.known.any()
    assert (result.image == 128).all()
