"""How much of the machine one file may use."""

from typing import Final

from attrs import frozen

MIB: Final = 1024 * 1024


@frozen(kw_only=True)
class Limits:
    """Bounds of one file. The child keeps memory, processor time and the sizes; its parent keeps the wall time."""

    memory_bytes: int = 1536 * MIB  # address space of the child
    cpu_seconds: int = 120
    wall_seconds: float = 120.0  # and `wall_seconds_per_mib` more for each MiB of the file
    wall_seconds_per_mib: float = 1.0
    max_pages: int = 3_000
    max_chars: int = 20_000_000  # code points of text
    max_nesting: int = 8  # files inside files, such as a mail attached to a mail, that are still opened
    max_parts: int = 200  # files inside one file that are opened
    max_unpacked_bytes: int = 256 * MIB  # all that may come out of one zip container
    max_output_bytes: int = 256 * MIB  # of what the child sends back
    recognize: bool = True  # scanned pages, where a recognizer of text is installed
    pdf_reader: str = "auto"  # "pdfium", "pdfminer", or "auto": the second where the first gives nothing usable
