"""What the processes of one worker share: packets, frames, a page."""
