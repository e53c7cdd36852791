# SPDX-License-Identifier: Apache-2.0
"""usage: sim_quote.py LIBRARY_DIRECTORY QUOTE

Takes a quote from the quote library in that directory, through its C ABI, as a program that links with Intel's
would, and writes it to the file QUOTE. Prints the code of the call that failed, in hexadecimal, and exits 1.
"""

import ctypes
import pathlib
import sys

TARGET_INFO_SIZE, REPORT_SIZE, REPORT_DATA_SIZE = 512, 432, 64


class Refused(Exception):
    """A call of the library that did not succeed."""


def call(function, *arguments):
    """Calls; anything but success ends the program."""
    function.restype = ctypes.c_uint32
    code = function(*arguments)
    if code != 0:
        raise Refused(f"{code:#x}")


def take_quote(directory):
    """The bytes of a quote over a trial report."""
    library = ctypes.CDLL(str(pathlib.Path(directory) / "libsgx_dcap_ql.so.1"))
    target_info = ctypes.create_string_buffer(TARGET_INFO_SIZE)
    report = ctypes.create_string_buffer(REPORT_SIZE)
    report_data = ctypes.create_string_buffer(b"simulated", REPORT_DATA_SIZE)
    size = ctypes.c_uint32()
    call(library.sgx_qe_get_target_info, target_info)
    call(library.sgx_qe_get_quote_size, ctypes.byref(size))
    call(library.psw_trial_report, target_info, report_data, report)
    quote = ctypes.create_string_buffer(size.value)
    call(library.sgx_qe_get_quote, report, size, quote)
    return quote.raw


if __name__ == "__main__":
    try:
        pathlib.Path(sys.argv[2]).write_bytes(take_quote(sys.argv[1]))
    except Refused as refusal:
        print(refusal)
        sys.exit(1)
