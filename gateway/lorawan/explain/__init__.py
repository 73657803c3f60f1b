"""One LoRaWAN frame explained, for scripts and for the technician at seven in the morning.

pasted (what people paste -> bytes) · opened (MIC and payload with the keys at hand) · values (JSON) · rows, commands
(every byte and bit in words) · why, repairs (what is wrong when a MIC does not fit).
The rule: nothing is guessed. Without a key `mic_ok` and what is encrypted are None, and `notes` say what would help;
a reason for a wrong MIC is told only where the MIC itself confirms it. Specification: LoRaWAN 1.0.4.
"""

from gateway.lorawan.explain.bits import Part
from gateway.lorawan.explain.opened import Keys
from gateway.lorawan.explain.pasted import Pasted, PastedError, hex_of, read
from gateway.lorawan.explain.rows import Row, annotate
from gateway.lorawan.explain.values import explain, headline

__all__ = ["Keys", "Part", "Pasted", "PastedError", "Row", "annotate", "explain", "headline", "hex_of", "read"]
