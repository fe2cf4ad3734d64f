"""Reports and charts as people print and look at them: XLSX, PDF, CSV, SVG, in Russian or English."""
