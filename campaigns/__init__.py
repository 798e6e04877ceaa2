"""The language a campaign is written in, its vocabulary, and the campaigns that ship."""
