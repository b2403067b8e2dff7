"""What to know about a site before trusting dropout there."""

from __future__ import annotations

from yolo_dropout.sites.site import Site

# Below this many channels one draw of channel dropout takes a large part of the branch away.
FEW_CHANNELS = 32


def warnings_for(site: Site) -> list[str]:
    """Plain-word warnings, without the site's name; empty where there is nothing to say."""
    told = []
    if site.kind in ("dropout2d", "dropblock") and site.channels is not None and site.channels < FEW_CHANNELS:
        told.append(f"only {site.channels} channels, so dropout is coarse")
    if site.before_norm:
        told.append("a BatchNorm follows, and sees another variance in training than in validation")
    return told
