"""Who may sign in to the page, who is signed in, and how often guessing is allowed."""
