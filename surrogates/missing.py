"""The error for data of cells that should be there and are not."""


class MissingCellData(FileNotFoundError, ValueError):
    """A folder or file of recorded cells is not there."""
