"""同一事件: calls that speak of one event, proposed, merged and unmerged."""
