"""The kinds of KubeChain as they are on the wire: pydantic models, their names, conditions, reasons and CRDs.

Every other package may import this one. No I/O and no asyncio may live here, and nothing that decides what to do.
"""
