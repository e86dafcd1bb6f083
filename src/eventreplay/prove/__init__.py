"""prove: is the result a function of the log and of nothing else? Shown by varying everything else."""

from eventreplay.prove.codecs import CodecName
from eventreplay.prove.combinations import Combination
from eventreplay.prove.drill import Named
from eventreplay.prove.proof import Difference, Proof, Run
from eventreplay.prove.proving import ProveOptions, prove
from eventreplay.prove.ranges import Range, ranges_of

__all__ = [
    "CodecName",
    "Combination",
    "Difference",
    "Named",
    "Proof",
    "ProveOptions",
    "Range",
    "Run",
    "prove",
    "ranges_of",
]
