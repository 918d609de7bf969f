"""Blocks that the C reference gave, ggml-quants.c compiled with and without fused products."""

import zlib

import numpy as np
import pytest

import numfmt
from numfmt.gguf import TYPES, GGUFArray

I = np.arange(256)  # noqa: E741
X = np.float32((((37 * I + 11) % 64) - 31) / 16 + (I % 3) / 64)

BYTES = {
    "q4_0": "A033730DA63FC851FB841DA63FD962FB942E",
    "q4_1": "0D34A0BF730C952EC851EA731DA63FC862FB841D",
    "q5_0": "A02F5AADD46AE6093B5E90A2E5071B5C7FA2C3F7193C",
    "q5_1": "D72FA0BF5AAD546AE5083B5D80A2D5F71A4C7F91C3F6193B",
    "q8_0": "AF23AD48D87001922ABA55E37E0F9C37C860F08119AA45D26DFE8B27B74FE07B0899",
    "q8_1": "AF2315B8AD48D87001922ABA55E37E0F9C37C860F08119AA45D26DFE8B27B74FE07B0899",
    "iq4_nl": "C923720DA52FD841FB830EB53FE951FC941E",
    "q2_k": """
        ceeedeffceeedeffceeeffffceeedeff8866dd77dd88228867dd77128822cd77dd88228867dd77de88228877dd772288
        8866dd77dd88228877dd77228826dc77dd88228876dd77ed88228877dd772288d12c602f""",
    "q3_k": """
        55aa55aa5555aa55aa55aaff55aa55aa55aaff00ff00ff5500ff00ff00ffff00fbaa554400ffffaa555500ccffaaaa55
        0011ddeeaa777700ddddaaaa7733ccddbfaa554400ffffaa555500ccffaaaa550011ddeeaa777700ddddaaaa7733ccdd
        aa00ccbbaa00ccbbff00ffffafa4""",
    "q4_k": """
        5d1c0e28fffffefdfaf9fffcdfbeaf9fa23bc56de78129a34cd56e08912ab45cd67018923bc45de78019a34bc56e0781
        a34cd56ef8912ab45cd67f08923bc45de78019a34bc56ef7812ab34cd67e0892a34bc56ef7812ab34cd67e08923ab45d
        e67019a23bc56de78129a34cd56e0891a23bc56de78129a34cd56e08912ab45cd67018923bc45de78019a34bc56e0781""",
    "q5_k": """
        1318f027fefefffffdfafffdfdcfdeaeaa55aa55beaa55aa55aa5555aa55aa55aa0855aa55aa55baaa55aa55aa5555aa
        5578abcdff1244679accef01335688abddf02245789acdef11346689bbde00235688abddf02245779accef11346689bb
        de00235578aacdff12446799bcee01335689abcef01246779bbdef02346789acdef02355789bcde01245678abcdf0133
        5578abcdff1244679accef01335688abddf02245789acdef11346689bbde0023""",
    "q6_k": """
        55eeaa44f0cb5611bb7701dc9922fe88cc0166bb0155bbff33a9de4388ee227744ffaa5401bb6511bb7722cc8832ee98
        44ffa955f0bb6611cc7722dc8823ed9955eeaa4300bc6512bb7710cd9922ef87cc1067ba1155bbff3499ee3488ee2376
        44feab4511bb5511bb7821cc8822ef8843ff9a5400ba6611cc7722cd8733de98778822881277dd77882288dd77dd2288
        1144ee44bf11bb1144ee44bb11bbee44778822882277dd77882288dd77dd22881144ee44ff11bb1144ee44bb11bbee44
        897882848a7784858c778087897882842d10""",
    "q8_k": """
        0c0683bc4ebd2596ff68d941b01b8af25ecc35a60f77e951c02b99026ddc44b61e8df861cf3ba91283eb54c52e9c0870
        df4ab92193fb64d53eac1786ee5ac831a20b73e54dbc2796fe6ad840b21a89f45dcb37a50e79e850c12a98046cdb46b5
        1d8ff760d13aa81482eb56c42d9e076fe149b82392fa66d43dae1685f059c733a10a75e44cbe26950069d742b1198bf3
        5ccd36a41078e752c0299a036bdd45b41f8ef662d039aa1381ec55c32f9d0671e048ba2291fc65d33fad1587ef58c932
        a00c74e34ebd2596ff68d941b01b8af25ecc35a60f77e951c02b99026ddc44b61e8df861cf3ba91283eb54c52e9c0870
        df4ab92193fb64d53eac1786ee5ac831a20b73e593ff8d0091ff94ff93ff8b0094ff93ff92ff8d0092ff92ff93ff8d00
        91ff94ff""",
    "tq1_0": """
        20e0a0e0a0206020e0a0e0602060a0e0a0206020d6a0e0a0206020e0a0e060209386ba86da932d9386ba862d932dba86
        d792269b1040""",
    "tq2_0": """
        446699669944114466996611441199669944114456996699441144669966114444669966994411446699661144119966
        994411446699669944114466996611441040""",
}
CRC = {
    "q4_0": 0x0DE6F13F, "q4_1": 0xB5F70C3F, "q5_0": 0xBFA594B3, "q5_1": 0x3F351820, "q8_0": 0x9F3CC50F,
    "q8_1": 0x4A580BAF, "iq4_nl": 0x61D597EA, "q2_k": 0x68A52F0D, "q3_k": 0xF686D3A6, "q4_k": 0x087FC76F,
    "q5_k": 0x0B276D51, "q6_k": 0xE774EC57, "q8_k": 0xF0CA0559, "tq1_0": 0x2CCBF0B0, "tq2_0": 0xAD82C474,
}  # fmt: skip
CRC_OF_VALUES = {
    "iq4_nl": 0x36C82CFE, "q2_k": 0x894128EF, "q3_k": 0x6FF74AC9, "q4_k": 0x7F56DB17, "q5_k": 0xDDB0E9E9,
    "q6_k": 0x5A86EF48, "tq1_0": 0x41174C07, "tq2_0": 0x41174C07,
}  # fmt: skip
FIRST_VALUES = {
    "q2_k": (-1.3828125, 0.724365234, -0.329223633, 1.7779541),
    "q3_k": (-1.42703247, 0.95135498, -0.47567749, 1.90270996),
    "q4_k": (-1.30039215, 1.1156044, -0.495059967, 1.65249252),
    "q5_k": (-1.27465439, 1.06881714, -0.534610748, 1.68552017),
    "q6_k": (-1.27383757, 1.09186077, -0.606589317, 1.69845009),
    "iq4_nl": (-1.2620468, 1.0491714, -0.5321884, 1.7182083),
}


def encoded(name):
    return numfmt.encode(X[: TYPES[name].elements], f"gguf_{name}")


def test_the_input():
    assert zlib.crc32(X.tobytes()) == 0x0502D637
    assert X[:4].tolist() == [-1.25, 1.078125, -0.59375, 1.6875]


@pytest.mark.parametrize("name", BYTES)
def test_bytes(name):
    packed = encoded(name).pack().tobytes()
    assert packed.hex() == "".join(BYTES[name].split()).lower()
    assert zlib.crc32(packed) == CRC[name]


@pytest.mark.parametrize("name", CRC_OF_VALUES)
def test_values(name):
    values = encoded(name).decode()
    assert zlib.crc32(values.tobytes()) == CRC_OF_VALUES[name]
    for found, printed in zip(values, FIRST_VALUES.get(name, ()), strict=False):
        assert found == np.float32(printed)


@pytest.mark.parametrize("name", BYTES)
def test_bytes_become_the_same_array(name):
    raw = bytes.fromhex(BYTES[name])
    array = GGUFArray.unpack(raw, f"gguf_{name}", (TYPES[name].elements,))
    assert (array.codes == encoded(name).codes).all()
    assert array.pack().tobytes() == raw


def test_zero_blocks():
    """-0 is stored where a largest magnitude of 0 is divided by a negative number."""
    zeros = {name: numfmt.encode(np.zeros(256), f"gguf_{name}").pack() for name in TYPES}
    assert zeros["q4_0"][0].tobytes() == bytes.fromhex("0080" + "88" * 16)
    assert zeros["q5_0"][0].tobytes() == bytes.fromhex("0080" + "ff" * 4 + "00" * 16)
    assert zeros["tq1_0"][0].tobytes() == bytes.fromhex("80" * 48 + "7f" * 4 + "0000")
    assert zeros["tq2_0"][0].tobytes() == bytes.fromhex("55" * 64 + "0000")
    assert zeros["iq4_xs"][0].tobytes() == bytes.fromhex("0080" + "aaaa" + "00" * 4 + "88" * 128)
    for name in ("q4_1", "q5_1", "q8_0", "q8_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_k", "mxfp4"):
        assert not zeros[name].any(), name
    for name, packed in zeros.items():
        assert not GGUFArray.unpack(packed, f"gguf_{name}", (256,)).decode().any()
