"""A screen as a picture: styled lines, and what is made of them. Pure: neither Textual nor rich nor a state is needed."""
