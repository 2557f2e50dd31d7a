def html_report(*a): return ''
