"""The page of `dcign explore`.

session.py      the runs on the page with their sliders, and the pictures that visitors brought
settings.py     sliders at values: from a request, as a command line, recorded end to end
app.py          the addresses, what they answer, and who may ask
uploads.py      pictures on their way in: how many, how much, how long
connections.py  how long a connection may wait for a request, and which gives way
server.py       the socket, the loop, the end
"""
