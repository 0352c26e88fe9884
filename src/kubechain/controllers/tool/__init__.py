"""Tool: can it be carried out here, and is what it refers to there?"""
