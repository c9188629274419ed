"""What an installation has, lacks, and does with the network: the rows of ``diffmvr.doctor``."""
