"""A campaign as its journal tells it, from the store."""

from __future__ import annotations

from campaigns.campaign import parse
from loop.events import Created
from loop.state import CampaignState
from loop.store.errors import StoreDamaged
from loop.store.store import Store


def restore(store: Store, campaign_id: str) -> CampaignState:
    """The campaign after its latest event. Raises CampaignUnknown, StoreDamaged."""
    store.require_sound(campaign_id)
    campaign = parse(*store.document(campaign_id))
    events = store.events(campaign_id)
    created = events[0].body
    if not isinstance(created, Created) or created.digest != campaign.digest:
        raise StoreDamaged(
            f"{store.url}: {campaign_id}: its text or files are not those it was created with; "
            "`leyden store check` tells all"
        )
    return CampaignState.of(campaign, events)
