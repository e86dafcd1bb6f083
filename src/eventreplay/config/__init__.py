"""Settings: of the run itself (`Settings`), and of each end that a plugin stands for (`plugin_settings`).

Both come from the same places under the same names: arguments, the environment, a file, defaults.
"""

from eventreplay.config.core import Settings, load_settings
from eventreplay.config.plugin import Gathered, gather, has_settings, is_configured, plugin_settings
from eventreplay.config.sections import sections

__all__ = [
    "Gathered",
    "Settings",
    "gather",
    "has_settings",
    "is_configured",
    "load_settings",
    "plugin_settings",
    "sections",
]
