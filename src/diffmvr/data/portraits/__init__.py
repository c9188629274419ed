"""Photo-real clips made of pairs of pictures: a neutral and a smiling one of each person.

Two pictures and their landmarks make a mesh (``portrait``); a mesh moves (``motion``), is painted
(``warp``), stands before another wall (``backdrop``), is filmed (``camera``) and covered
(``covers``): a clip with its truth (``clip``).
"""

from diffmvr.data.portraits.clip import PortraitClip
from diffmvr.data.portraits.pictures import choose_test_people
from diffmvr.data.portraits.source import PortraitClips

__all__ = ["PortraitClip", "PortraitClips", "choose_test_people"]
