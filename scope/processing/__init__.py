"""From stacks of frames to tracks."""
