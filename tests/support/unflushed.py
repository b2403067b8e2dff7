"""Files are not waited for until they are on the disk: that is for power cuts, which no test has.

It takes ten milliseconds a file, and a study writes twenty. The fork server of the tests imports this too.
"""

import os

os.fsync = lambda _descriptor: None
