"""Makers of real media for the tests, and a look at results that uses nothing of vidgan's.

pattern.py and colours.py say what the pictures show, clips.py writes ordinary files, rare.py unusual ones, damaged.py
broken ones; run.py runs vidgan on them, and look.py reads anything back as plain values: no PyAV object outlives the
container that it belongs to.
"""
