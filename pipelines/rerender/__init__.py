"""What `dcign rerender` makes of images: the request, the pictures, and the true ones beside them."""
