"""分类: what a ticket is about and how urgent it is, and why the classifier thinks so."""
