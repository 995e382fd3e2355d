"""Which of many items answer what somebody asks for: words and, where a model is installed, meaning.

Nobody learns of an item that the caller did not allow: whatever is counted, averaged or ranked is so over what
is allowed alone.
"""
