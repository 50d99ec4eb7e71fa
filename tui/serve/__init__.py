"""The wizard in a browser: a web server that starts a wizard for each tab. Needs the extra `serve`."""
