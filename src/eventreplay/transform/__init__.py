"""From RAW to STAGING and MART: dbt run as a process of its own, its log followed, its results read."""

from eventreplay.transform.nodes import Node, Transformation
from eventreplay.transform.project import project_folder
from eventreplay.transform.running import transform

__all__ = ["Node", "Transformation", "project_folder", "transform"]
