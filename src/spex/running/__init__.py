"""What `spex.Run` is made of: masks told, the stages of what is asked, and the fits."""
