"""Campaigns that come from elsewhere, and campaigns that go elsewhere."""
