"""Where a ticket is: place names, house numbers, traps of look-alikes."""
