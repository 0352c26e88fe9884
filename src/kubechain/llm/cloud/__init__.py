"""How the clouds give access to their models: a module for each, its `Grant` made by a row of `providers`. No I/O."""
