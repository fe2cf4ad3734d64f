from union.main import main

main()
