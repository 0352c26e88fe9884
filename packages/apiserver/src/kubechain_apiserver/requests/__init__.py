"""From an HTTP request to a call of the engine, and from its result to a reply.

Routes, query parameters, bodies, content negotiation, authorization, watch streams. Nothing is stored here.
"""
