"""Which runs a page needs, doing one, and finding it again."""

from kent.errors import require

require("learn", "ruamel")
