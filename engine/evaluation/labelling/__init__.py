"""Labels that trained weights propose for images without labels, and which images are to be labelled next."""
