"""What the operating system provides and names differently on each platform.

address         host names and addresses, as users write them and as URLs do
tcp             state of a TCP connection that the socket module has no name for
regular_file    opens regular files only
complete_write  writes all data to a file that may write less at a time
file_flags      flags of open() and properties of files that not every platform has
python_path     the Python path that a child process gets
parent_process  the process that started this one with multiprocessing
free_memory     gives memory that is free inside the process back to the system
"""
