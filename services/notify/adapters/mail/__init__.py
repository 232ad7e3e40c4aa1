"""How mail is written and handed to a mail server."""
