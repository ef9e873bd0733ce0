"""One question a protocol, asked over a plain socket: does this server serve yet?"""
