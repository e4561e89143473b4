"""llamaswap: one OpenAI- and Anthropic-compatible address in front of many local inference servers."""

__version__ = "0.1.0"
