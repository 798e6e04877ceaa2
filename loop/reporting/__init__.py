"""What a campaign's report is made of: the record read from the journal, figures, tables, page."""
