"""Scanning of what servers put before a model, for text that would steer it. Pure, deterministic, explainable.

    scanner = Scanner(ScanConfig.from_config({"families": {"urls": "off"}}))
    report = scanner.scan_item(ItemKind.TOOL, tool)      # one tool, prompt, resource or template
    report.verdict, report.findings

`scan_surface` reads a whole surface, in which items know of each other; `scan_inventory` reads the surfaces of all
servers and adds what only shows between them; `scan_change` grades the step from one version of an item to the next
(block means quarantine); `scan_result` reads the text of a result.
"""

from mcp_core.scan.config import ScanConfig, ScanConfigError
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.finding import Finding, Report, Severity, Verdict
from mcp_core.scan.inventory import ToolNames, siblings_of, tool_names
from mcp_core.scan.items import Item, ItemKind, name_of
from mcp_core.scan.scanner import ItemId, Scanner, Surface

__all__ = [
    "Finding",
    "Item",
    "ItemId",
    "ItemKind",
    "Report",
    "ScanConfig",
    "ScanConfigError",
    "Scanner",
    "Severity",
    "Surface",
    "ToolNames",
    "Verdict",
    "escaped",
    "name_of",
    "siblings_of",
    "tool_names",
]
