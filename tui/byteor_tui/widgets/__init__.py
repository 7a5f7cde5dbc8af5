"""Line-API widgets that repaint rows, not screens. They know text and tones, never runs or stores."""
