"""The report of a run: one HTML file that needs nothing else. Without Textual; figures come from the engine, texts from `tui.text`."""
