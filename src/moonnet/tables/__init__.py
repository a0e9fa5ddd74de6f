"""Networks for tables with columns of any kind: numbers, text, categories, dates and missing values."""

from moonnet.tables._columns import ColumnsOfKind, ColumnsToFloat, ColumnsToText
from moonnet.tables._pipeline import tabular_pipeline

__all__ = ["ColumnsOfKind", "ColumnsToFloat", "ColumnsToText", "tabular_pipeline"]
