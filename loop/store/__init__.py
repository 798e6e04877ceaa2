"""The store: the only place that speaks SQL, and the only state of a campaign."""
