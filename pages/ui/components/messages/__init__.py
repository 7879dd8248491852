"""What the app and its components tell each other: what each is sent, and what it answers.

Every message is held against its declaration here, on its way out and on its way in.
"""
