"""Flask routes, forms and pages: turns a request into a Grant and calls a flow."""
