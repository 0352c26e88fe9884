"""From an HTTP request to a call of the engine, and from its result to a response.

Routes, query parameters, bodies, content negotiation, authorization and watch streams.
"""
