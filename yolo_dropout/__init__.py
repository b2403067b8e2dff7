"""Does dropout help your YOLO on your data, at which rate, and how sure is that?"""
