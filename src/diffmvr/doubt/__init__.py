"""How sure a restored frame is, said beforehand and calibrated on people whose truth is known.

What is known of a frame while it is restored (``sight``) becomes numbers at each pixel
(``features``).  Their sum with weights ≥ 0 is the error that is to be expected there (``model``);
how often the truth lay within how many times that, over people, makes intervals that hold it with
a promised share (``conformal``, ``fitting``).  A ``judge`` says it of a whole frame, in words too.
"""
