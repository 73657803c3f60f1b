"""Adaptive data rate, the network's side: which data rate, power and repetition a device should use. Pure.

The rule: decide on the mean of 20 receptions at unchanged settings, spend what is above the need and a margin in steps
of 3 dB (first on the data rate, then on less power), and give power back only when the margin is missed by more than
2 dB. Between the two lie 5 dB in which nothing is asked, so fading does not swing the settings. The mean, because the
best of 20, as Semtech has it, is a figure of the fading more than of the link (Slabicki et al. 2018, "Adaptive
configuration of LoRa networks for dense IoT deployments"). The network never lowers the data rate: a device that is
not heard does that by itself (ADRACKReq).
Source: Semtech, LoRaWAN simple rate adaptation recommended algorithm (2016); SNR needs from the SX1276 datasheet.
"""

HISTORY = 20
MARGIN_DB = 7.0  # with fading of 3 dB one frame in a hundred falls below the need
STEP_DB = 3.0
SHORT_DB = -2.0  # below this margin power is given back
REQUIRED_SNR_DB = (-20.0, -17.5, -15.0, -12.5, -10.0, -7.5)  # at DR0 to DR5
LOSS = (0.05, 0.1, 0.3)
NB_TRANS = ((1, 1, 2), (1, 2, 3), (2, 3, 3), (3, 3, 3))  # by loss; column: what it is now, less one


def decide(dr, tx_power, nb_trans, history, dr_max=5, power_max=7, margin_db=MARGIN_DB):
    """`(dr, tx_power index, nb_trans)` to use from now on.

    `history`: [frame counter, SNR in dB where it was heard best] of the uplinks at these settings, the oldest first;
    fewer than HISTORY change nothing.
    """
    if len(history) < HISTORY:
        return dr, tx_power, nb_trans
    nb_trans = _repetitions(nb_trans, history)
    if dr >= len(REQUIRED_SNR_DB):
        return dr, tx_power, nb_trans
    margin = sum([snr for _, snr in history]) / len(history) - REQUIRED_SNR_DB[dr] - margin_db
    if margin < SHORT_DB:
        back = int((SHORT_DB - margin) // STEP_DB) + 1
        return dr, max(0, tx_power - back), nb_trans
    steps = int(margin // STEP_DB) if margin > 0 else 0
    faster = max(0, min(steps, dr_max - dr))
    return dr + faster, max(tx_power, min(power_max, tx_power + steps - faster)), nb_trans


def _repetitions(nb_trans, history):
    expected = history[-1][0] - history[0][0] + 1
    loss = 1 - len(history) / expected if expected > 0 else 0
    row = 0
    while row < len(LOSS) and loss >= LOSS[row]:
        row += 1
    return NB_TRANS[row][max(1, min(3, nb_trans)) - 1]
