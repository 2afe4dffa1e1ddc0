"""The head of a worker: claims, hands out, measures, settles. It never imports the user's code."""
